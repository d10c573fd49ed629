"""Is ``python -m spondyl`` the same as ``spondyl``? Yes."""

from spondyl.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
