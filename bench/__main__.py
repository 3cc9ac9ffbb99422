"""`make bench`: every benchmark, one after the other."""

from bench import acknowledging

if __name__ == "__main__":
    acknowledging.main()
