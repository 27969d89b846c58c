"""Tables of measurements, and where they stand in a file."""

import pathlib, sys


def table(heads, rows):
    line = lambda cells: f"| {' | '.join(cells)} |"
    return "\n".join([line(heads), "|" + "---|" * len(heads), *map(line, rows)])


def publish(script, written):
    """Prints a table and, where the command line names a file, puts it between its markers there."""
    print(written)
    if len(sys.argv) < 2:
        return
    begin, end = f"<!-- measured by tests/load/{script} -->", "<!-- end -->"
    file = pathlib.Path(sys.argv[1])
    before, begins, rest = file.read_text().partition(begin)
    _, ends, after = rest.partition(end)
    if not begins or not ends:
        sys.exit(f"{file} has no {begin} … {end}")
    file.write_text(f"{before}{begin}\n{written}\n{end}{after}")
