-- Take one note that is due, and leave it due again later, in case whoever takes it is killed.
--
-- KEYS: notes   ARGV: now, when it is due again

local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', ARGV[1], 'LIMIT', 0, 1)[1]
if due then
  redis.call('ZADD', KEYS[1], ARGV[2], due)
end
return due
