"""An application that takes longer to import than the leases of the tests last."""

import time

time.sleep(1.5)
