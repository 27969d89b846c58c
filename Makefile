.PHONY: demo test fuzz audit fmt

SECONDS = 600

demo:  ; @tests/demo
test:  ; @tests/run
fuzz:  ; @tests/fuzz/run $(SECONDS)
audit: ; cargo deny --locked check
fmt:   ; cargo fmt --all
