.PHONY: demo test test-full bench fuzz audit fmt

SECONDS = 600

demo:  ; @BACKEND=$(or $(BACKEND),software) tests/demo
test:  ; @tests/run
test-full: ; @NOTARY_TEST_CASES=500 NOTARY_TEST_ROUNDS=300 tests/run
bench: ; @tests/load/compare README.md && tests/load/agent README.md && tests/load/signer docs/key-stores.md
fuzz:  ; @tests/fuzz/run $(SECONDS)
audit: ; cargo deny --locked check
fmt:   ; cargo fmt --all
