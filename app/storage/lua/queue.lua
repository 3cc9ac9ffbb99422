-- Put in front of every script that queues a turn, so that state and queue change in one step.
--
-- Turns wait in the place QUEUED (fair.lua), which says who is next. Beside it stands RQ's own queue with a job for each
-- of them, so that RQ's dashboard shows what waits; a worker takes turns with take.lua and never pops that list blindly.
-- A job is written as RQ 3.0 writes it, but for the fields that are empty then (rq/job.py, to_dict and restore; a test
-- holds them equal), because RQ's own enqueue is a round trip of its own and a crash between the two would lose the turn
-- or run it unrecorded.
-- The job carries the turn's id and nothing else. Each queueing is a job of its own (`<turn>-<n>`), so that the
-- book-keeping of a killed worker's job never touches the job that took over.

local TURN_PREFIX, OPEN_KEY, NOTES_KEY = 'bytegpt:turn:', 'bytegpt:open', 'bytegpt:notes'
local QUEUE, QUEUE_KEY, JOB_PREFIX = 'turns', 'rq:queue:turns', 'rq:job:'
local BELL_KEY = 'bytegpt:bell'
local JOB_TIMEOUT, RESULT_TTL, FAILURE_TTL = 900, 300, 604800

local function job_id(turn_id, number)
  return turn_id .. '-' .. number
end

local function add_step(turn_id, at, step, details)
  local entry = details or {}
  entry.at, entry.step = at, step
  redis.call('RPUSH', TURN_PREFIX .. turn_id .. ':steps', cjson.encode(entry))
end

-- Idle workers block on the bell. One stroke wakes one worker, which strikes it again where it leaves something behind.
local function ring()
  if redis.call('EXISTS', BELL_KEY) == 0 then
    redis.call('RPUSH', BELL_KEY, 1)
  end
end

-- Queue a turn and give it until lease_until to be taken, and no longer than until it would be late; then the sweeper
-- looks at it again. number: how often it has been queued, this time included. since: its acceptance or replay.
local function enqueue_known(turn_id, number, account, since, decide_by, now_iso, lease_until)
  local id = job_id(turn_id, number)
  redis.call('HSET', JOB_PREFIX .. id,
    'data', '["workers.jobs.answer", null, ["' .. turn_id .. '"], {}]',
    'description', turn_id, 'origin', QUEUE, 'status', 'queued',
    'created_at', now_iso, 'enqueued_at', now_iso, 'timeout', JOB_TIMEOUT, 'result_ttl', RESULT_TTL, 'failure_ttl', FAILURE_TTL)
  if redis.call('RPUSH', QUEUE_KEY, id) == 1 then
    -- RQ forgets a queue, if at all, together with its list.
    redis.call('SADD', 'rq:queues', QUEUE_KEY)
  end
  wait_at(QUEUED, account, turn_id, since)
  redis.call('ZADD', OPEN_KEY, math.min(lease_until, decide_by or lease_until), turn_id)
  ring()
end

local function enqueue(turn_id, now_iso, lease_until)
  local turn_key = TURN_PREFIX .. turn_id
  local number = redis.call('HINCRBY', turn_key, 'queued', 1)
  local found = redis.call('HMGET', turn_key, 'account_id', 'accepted_at', 'decide_by', 'replayed_at')
  enqueue_known(turn_id, number, found[1], found[4] or found[2], found[3], now_iso, lease_until)
end

-- Take a turn out of the queue; its job is left to the caller, who starts or deletes it. Returns the job's id.
local function dequeue(turn_id, account, served)
  go_from(QUEUED, account, turn_id, served)
  -- A record that was deleted meanwhile must not stand in the way of all others.
  local id = job_id(turn_id, redis.call('HGET', TURN_PREFIX .. turn_id, 'queued') or 0)
  redis.call('LREM', QUEUE_KEY, 1, id)
  return id
end
