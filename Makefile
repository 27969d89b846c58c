.PHONY: test audit fmt

test:  ; @tests/run
fmt:   ; cargo fmt --all
