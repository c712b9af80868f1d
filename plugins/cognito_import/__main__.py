"""`python -m cognito_import`: see `cli`."""

import sys

from cognito_import.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
