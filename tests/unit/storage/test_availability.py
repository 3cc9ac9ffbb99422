"""Which answers of Redis mean that it is away."""

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import OutOfMemoryError, RedisError, ResponseError

from app.domain.acceptance import StoreUnavailable
from app.storage.availability import availability

IN_A_PIPELINE = "Command # 3 (HSET rq:worker:one death now) of pipeline caused error: "


@pytest.mark.parametrize(
    "error",
    [
        RedisConnectionError("refused"),
        OutOfMemoryError("command not allowed when used memory > 'maxmemory'."),
        ResponseError("MISCONF Errors writing to the AOF file: No space left on device"),
        ResponseError(f"{IN_A_PIPELINE}MISCONF Errors writing to the AOF file: No space left on device"),
        ResponseError("NOREPLICAS Not enough good replicas to write."),
        ResponseError("UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)"),
    ],
    ids=["gone", "out of memory", "disk full", "disk full in a pipeline", "without replicas", "replaced"],
)
def test_a_redis_that_refuses_to_work_is_away(error: RedisError) -> None:
    with pytest.raises(StoreUnavailable), availability():
        raise error


@pytest.mark.parametrize("told", ["WRONGTYPE Operation against a key", f"{IN_A_PIPELINE}ERR MISCONF is no command"])
def test_a_mistake_of_ours_is_not_taken_for_that(told: str) -> None:
    with pytest.raises(ResponseError), availability():
        raise ResponseError(told)
