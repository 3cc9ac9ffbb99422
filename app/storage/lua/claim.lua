-- Take a turn for one worker, unless it is closed or another worker still holds it. Answers with the whole record.
--
-- The owner's token fences every later change (advance.lua): a worker that was only slow finds that it lost the turn.
--
-- KEYS: turn   ARGV: turn id, owner's token, now, lease_until

local turn_key, turn_id, token, now = KEYS[1], ARGV[1], ARGV[2], tonumber(ARGV[3])
local found = redis.call('HMGET', turn_key, 'status', 'owner')
local status, owner = found[1], found[2]
if not status then
  return {'gone'}
end
if not redis.call('ZSCORE', OPEN_KEY, turn_id) then
  return {'closed'}
end
if owner and owner ~= token and tonumber(redis.call('ZSCORE', OPEN_KEY, turn_id)) > now then
  return {'held'}
end
redis.call('HSET', turn_key, 'owner', token)
redis.call('ZADD', OPEN_KEY, ARGV[4], turn_id)
-- The same owner again: its client of Redis lost our answer and asks once more.
if owner ~= token then
  local claims = redis.call('HINCRBY', turn_key, 'claims', 1)
  add_step(turn_id, now, claims > 1 and 'taken_over' or 'taken')
end
return {'taken', redis.call('HGETALL', turn_key)}
