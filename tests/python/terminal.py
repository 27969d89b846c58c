"""Runs a command at a terminal and types answers.

usage: terminal.py COMMAND [QUESTION ANSWER]...

Each answer is typed once its question stands on the terminal. Prints what a person sees, and exits
as the command does.
"""

import os
import pty
import sys
import termios


def main() -> int:
    command, pairs = sys.argv[1], sys.argv[2:]
    child, terminal = pty.fork()
    if child == 0:
        os.execvp("sh", ["sh", "-c", command])
    # What is typed would be shown sooner or later, as the machine pleases.
    settings = termios.tcgetattr(terminal)
    settings[3] &= ~termios.ECHO
    termios.tcsetattr(terminal, termios.TCSANOW, settings)
    seen = b""
    for question, answer in zip(pairs[::2], pairs[1::2]):
        seen = until(terminal, seen, question.encode())
        os.write(terminal, answer.encode() + b"\n")
    until(terminal, seen, None)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


def until(terminal: int, seen: bytes, question: bytes | None) -> bytes:
    """Reads until a question was asked, or to the end; prints it and answers what came after it."""
    while question is None or question not in seen:
        try:
            more = os.read(terminal, 4096)
        except OSError:  # the other end is closed
            more = b""
        if not more:
            break
        seen += more
    shown, rest = seen, b""
    if question is not None and question in seen:
        end = seen.index(question) + len(question)
        shown, rest = seen[:end], seen[end:]
    sys.stdout.write(shown.decode().replace("\r", ""))
    sys.stdout.flush()
    return rest


sys.exit(main())
