"""Settings that every test shares."""

import os

# the signals of the tests are small: threads inside one operation would mostly wait for each other
os.environ.setdefault("OMP_NUM_THREADS", "1")
