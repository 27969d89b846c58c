//! Secrets that stand in files: PINs and passphrases.

/// A secret as its file has it, without the last line end, which an editor puts there. All else may be a
/// part of it, further line ends and spaces too.
pub fn without_line_end(text: &str) -> &str {
    text.strip_suffix('\n').map_or(text, |line| line.strip_suffix('\r').unwrap_or(line))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_end_is_no_part_of_a_secret_and_all_else_is() {
        for text in ["4567", "4567\n", "4567\r\n"] {
            assert_eq!(without_line_end(text), "4567");
        }
        for (text, secret) in [("45 67\n\n", "45 67\n"), (" 4567\n", " 4567"), ("4567\r", "4567\r")]
        {
            assert_eq!(without_line_end(text), secret);
        }
        for empty in ["", "\n", "\r\n"] {
            assert_eq!(without_line_end(empty), "");
        }
    }
}
