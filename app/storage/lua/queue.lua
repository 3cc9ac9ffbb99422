-- Put in front of every script that queues a turn, so that state and queue change in one step.
--
-- A job is written exactly as RQ 3.0 writes it (rq/job.py, to_dict and restore; a test holds them equal), because
-- RQ's own enqueue is a round trip of its own and a crash between the two would lose the turn or run it unrecorded.
-- The job carries the turn's id and nothing else. Each queueing is a job of its own (`<turn>-<n>`), so that RQ's late
-- book-keeping of a killed worker's job never touches the job that took over.

local TURN_PREFIX, OPEN_KEY, NOTES_KEY = 'bytegpt:turn:', 'bytegpt:open', 'bytegpt:notes'
local QUEUE, QUEUE_KEY, JOB_PREFIX = 'turns', 'rq:queue:turns', 'rq:job:'
local JOB_TIMEOUT, RESULT_TTL, FAILURE_TTL = 900, 500, 604800

local function job_id(turn_id, number)
  return turn_id .. '-' .. number
end

local function add_step(turn_id, at, step, details)
  local entry = details or {}
  entry.at, entry.step = at, step
  redis.call('RPUSH', TURN_PREFIX .. turn_id .. ':steps', cjson.encode(entry))
end

-- Queue a turn and give it until lease_until to be taken; after that the sweeper looks at it again.
local function enqueue(turn_id, now_iso, lease_until)
  local id = job_id(turn_id, redis.call('HINCRBY', TURN_PREFIX .. turn_id, 'queued', 1))
  redis.call('SADD', 'rq:queues', QUEUE_KEY)
  redis.call('HSET', JOB_PREFIX .. id,
    'data', '["workers.jobs.answer", null, ["' .. turn_id .. '"], {}]',
    'description', turn_id, 'origin', QUEUE, 'status', 'queued',
    'created_at', now_iso, 'enqueued_at', now_iso, 'started_at', '', 'ended_at', '', 'last_heartbeat', '',
    'worker_name', '', 'group_id', '',
    'success_callback_name', '', 'failure_callback_name', '', 'stopped_callback_name', '',
    'timeout', JOB_TIMEOUT, 'result_ttl', RESULT_TTL, 'failure_ttl', FAILURE_TTL)
  redis.call('RPUSH', QUEUE_KEY, id)
  redis.call('ZADD', OPEN_KEY, lease_until, turn_id)
end
