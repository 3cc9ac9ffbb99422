-- Put open turns whose lease has run out back on the queue: their worker is dead or gone, RQ lost the job, or they
-- waited in line for so long that their deadline is near. RQ's own recovery takes minutes (stack.md 4).
--
-- A turn whose job still stands in the queue is only given more time. Taking the owner away makes a worker that was
-- merely slow lose its next compare-and-set.
--
-- ARGV: now, now as ISO 8601, lease_until, how many at most.
-- Returns how many were looked at, and the ids that were put back.

local now, now_iso, lease_until = tonumber(ARGV[1]), ARGV[2], ARGV[3]
local put_back = {}
local expired = redis.call('ZRANGEBYSCORE', OPEN_KEY, '-inf', now, 'LIMIT', 0, ARGV[4])
for _, turn_id in ipairs(expired) do
  local found = redis.call('HMGET', TURN_PREFIX .. turn_id, 'status', 'queued', 'owner')
  if not found[1] then
    redis.call('ZREM', OPEN_KEY, turn_id)
  elseif not found[3] and redis.call('LPOS', QUEUE_KEY, job_id(turn_id, found[2] or 0)) then
    redis.call('ZADD', OPEN_KEY, lease_until, turn_id)
  else
    redis.call('HDEL', TURN_PREFIX .. turn_id, 'owner')
    add_step(turn_id, now, 'put_back')
    enqueue(turn_id, now_iso, lease_until)
    put_back[#put_back + 1] = turn_id
  end
end
return {#expired, put_back}
