-- Put turns that a stopping worker still holds back on the queue at once, for another worker to take over.
--
-- ARGV: now, now as ISO 8601, lease_until, then turn id and owner's token in turn

for i = 4, #ARGV, 2 do
  local turn_id = ARGV[i]
  if redis.call('HGET', TURN_PREFIX .. turn_id, 'owner') == ARGV[i + 1] and redis.call('ZSCORE', OPEN_KEY, turn_id) then
    redis.call('HDEL', TURN_PREFIX .. turn_id, 'owner')
    add_step(turn_id, ARGV[1] + 0, 'put_back')
    enqueue(turn_id, ARGV[2], ARGV[3])
  end
end
