-- RQ's own book-keeping of a job that starts and ends, in the step that takes and closes its turn: stock RQ spends some
-- sixty commands and five round trips on it. The keys and fields are RQ 3.0's (rq/executions.py, rq/registry.py,
-- rq/results.py); a test compares them with those of a job that RQ itself has run.

local function started_key()
  return 'rq:wip:' .. QUEUE
end

-- How long RQ's SimpleWorker lets a job be silent: as long as it may take, and a minute.
local HEARTBEAT_TTL = JOB_TIMEOUT + 60

-- execution: the owner's token. now: milliseconds.
local function start_job(id, execution, worker, now, now_iso)
  local entry = id .. ':' .. execution
  redis.call('HSET', JOB_PREFIX .. id, 'status', 'started', 'started_at', now_iso, 'last_heartbeat', now_iso,
    'worker_name', worker)
  redis.call('HSET', 'rq:execution:' .. entry, 'id', execution, 'job_id', id, 'created_at', now / 1000,
    'last_heartbeat', now / 1000, 'worker_name', worker)
  redis.call('EXPIRE', 'rq:execution:' .. entry, HEARTBEAT_TTL)
  redis.call('ZADD', 'rq:executions:' .. id, now / 1000 + HEARTBEAT_TTL + 60, execution)
  redis.call('EXPIRE', 'rq:executions:' .. id, HEARTBEAT_TTL + 60)
  redis.call('ZADD', started_key(), now / 1000 + HEARTBEAT_TTL, entry)
  redis.call('SADD', 'rq:worker:' .. worker .. ':executions', entry)
  redis.call('EXPIRE', 'rq:worker:' .. worker .. ':executions', HEARTBEAT_TTL)
end

local function forget_execution(id, execution, worker)
  local entry = id .. ':' .. execution
  redis.call('DEL', 'rq:execution:' .. entry, 'rq:executions:' .. id)
  redis.call('ZREM', started_key(), entry)
  redis.call('SREM', 'rq:worker:' .. worker .. ':executions', entry)
end

-- result: what the dashboard shows as the job's result, as RQ stores it (JSON in base64).
local function finish_job(id, execution, worker, started, now, now_iso, result)
  forget_execution(id, execution, worker)
  redis.call('HSET', JOB_PREFIX .. id, 'status', 'finished', 'ended_at', now_iso)
  redis.call('EXPIRE', JOB_PREFIX .. id, RESULT_TTL)
  redis.call('XADD', 'rq:results:' .. id, 'MAXLEN', 10, '*', 'type', 1, 'worker_name', worker, 'return_value', result,
    'execution_id', execution, 'execution_started_at', started / 1000, 'execution_ended_at', now / 1000)
  redis.call('EXPIRE', 'rq:results:' .. id, RESULT_TTL)
  redis.call('ZADD', 'rq:finished:' .. QUEUE, now / 1000 + RESULT_TTL, id)
  local worker_key = 'rq:worker:' .. worker
  if redis.call('EXISTS', worker_key) == 1 then
    redis.call('HINCRBY', worker_key, 'successful_job_count', 1)
    redis.call('HINCRBYFLOAT', worker_key, 'total_working_time', (now - started) / 1000)
  end
end

-- The job of a lost worker: another one takes its place. One that has failed stays for the dashboard to show.
local function drop_job(id, execution, worker)
  forget_execution(id, execution, worker)
  if redis.call('HGET', JOB_PREFIX .. id, 'status') == 'started' then
    redis.call('DEL', JOB_PREFIX .. id)
  end
end
