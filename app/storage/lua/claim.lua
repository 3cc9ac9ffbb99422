-- Take one turn by its id, for a job that did not come through take.lua. Answers with the turn as holding.lua tells it,
-- or with nothing where it is closed, unknown, or held by another worker.
--
-- KEYS: turn   ARGV: turn id, owner's token, worker, now, lease_until

local turn_key, turn_id, token, now = KEYS[1], ARGV[1], ARGV[2], tonumber(ARGV[4])
local found = redis.call('HMGET', turn_key, 'status', 'owner', 'account_id')
local owner, lease = found[2], redis.call('ZSCORE', OPEN_KEY, turn_id)
if not found[1] or not lease then
  return {}
end
if owner and owner ~= token and tonumber(lease) > now then
  return {}
end
-- The same owner again: its client of Redis lost our answer and asks once more.
if owner ~= token then
  take_away(turn_id)
  if waits_at(QUEUED, found[3], turn_id) then
    redis.call('DEL', JOB_PREFIX .. dequeue(turn_id, found[3], false))
  end
  go_from(READY, found[3], turn_id, false)
  local claims = hold(turn_id, token, ARGV[3], '', now, ARGV[5])
  add_step(turn_id, now, claims > 1 and 'taken_over' or 'taken')
end
return taken(turn_id, token)
