.PHONY: test audit fmt

test:  ; @tests/run
audit: ; cargo deny --locked check
fmt:   ; cargo fmt --all
