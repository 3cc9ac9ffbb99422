-- Take a contact out of the counters of its limits and out of the figures of usage.
--
-- Moved into the field of all others, so that every sum stays what it was (lua/usage.lua).
-- KEYS: the work, then the figures of days, then counters   ARGV: field, field of the rest, field of how many, days

local days = tonumber(ARGV[4])
for i = 2, days + 1 do
  local requests = redis.call('HGET', KEYS[i], ARGV[1])
  if requests then
    redis.call('HINCRBY', KEYS[i], ARGV[2], requests)
    redis.call('HDEL', KEYS[i], ARGV[1])
    redis.call('HINCRBY', KEYS[i], ARGV[3], -1)
    redis.call('HINCRBY', KEYS[1], 'here:usage_days', 1)
  end
end
for i = days + 2, #KEYS do
  redis.call('HINCRBY', KEYS[1], 'here:counters', redis.call('DEL', KEYS[i]))
end
