"""`make bench`: every benchmark, one after the other."""

from bench import accepting, acknowledging

if __name__ == "__main__":
    accepting.main()
    acknowledging.main()
