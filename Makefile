.PHONY: demo test bench lint fmt setup

demo: ## simulator and daemon in one process, without an account
	cargo run -- demo

test: ## all tests; installs what they need
	tests/run

bench: ## ratios to peers and to the floor, in minutes; ARGS=--quick in one, ARGS=--help for more
	benches/setup
	cargo bench --locked --bench ratios -- $(ARGS)

lint:
	cargo fmt --check
	cargo clippy --all-targets --locked -- -D warnings

fmt:
	cargo fmt

setup: ## what the tests need from Debian and PyPI
	tests/setup
