.PHONY: demo test audit fmt

demo:  ; @tests/demo
test:  ; @tests/run
audit: ; cargo deny --locked check
fmt:   ; cargo fmt --all
