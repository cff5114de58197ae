.PHONY: demo test lint fmt setup

demo: ## simulator and daemon in one process, without an account
	cargo run --release -- demo

test: ## all tests; installs what they need
	tests/run

lint:
	cargo fmt --check
	cargo clippy --all-targets --locked -- -D warnings

fmt:
	cargo fmt

setup: ## what the tests need from Debian and PyPI
	tests/setup
