-- Put turns that a stopping worker still holds back at once, for another worker to take over.
--
-- ARGV: now, now as ISO 8601, lease_until, then turn id and owner's token in turn

for i = 4, #ARGV, 2 do
  local turn_id = ARGV[i]
  local found = redis.call('HMGET', TURN_PREFIX .. turn_id, 'owner', 'status', 'account_id', 'accepted_at', 'replayed_at')
  if found[1] == ARGV[i + 1] and redis.call('ZSCORE', OPEN_KEY, turn_id) then
    take_away(turn_id)
    add_step(turn_id, ARGV[1] + 0, 'put_back')
    if found[2] == 'accepted' or found[2] == 'asking' then
      enqueue(turn_id, ARGV[2], ARGV[3])
    else
      wait_at(READY, found[3], turn_id, found[5] or found[4])
      redis.call('ZADD', OPEN_KEY, ARGV[3], turn_id)
    end
  end
end
