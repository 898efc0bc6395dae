"""`python -m mayo.cli WORD...`, which is what `./my` runs."""

import sys

from mayo.cli.main import main

if __name__ == '__main__':
    sys.exit(main())
