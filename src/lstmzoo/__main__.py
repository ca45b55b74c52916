"""``python -m lstmzoo``."""

import sys

from lstmzoo.cli import main

if __name__ == "__main__":  # worker processes import this module too
    sys.exit(main())
