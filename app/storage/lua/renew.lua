-- Prolong the leases of turns that a worker process holds. Returns the ids that it holds no longer.
--
-- ARGV: lease_until, then turn id and owner's token in turn

local lost = {}
for i = 2, #ARGV, 2 do
  if redis.call('HGET', TURN_PREFIX .. ARGV[i], 'owner') == ARGV[i + 1] and redis.call('ZSCORE', OPEN_KEY, ARGV[i]) then
    redis.call('ZADD', OPEN_KEY, ARGV[1], ARGV[i])
  else
    lost[#lost + 1] = ARGV[i]
  end
end
return lost
