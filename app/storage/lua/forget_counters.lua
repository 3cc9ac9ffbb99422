-- Take a contact out of the counters of its limits and out of the figures of usage.
--
-- Moved into the field of all others, so that every sum stays what it was (lua/usage.lua).
-- Turns that were listed for it and are kept no longer are taken off its list, which is named after it.
-- KEYS: the work, then the figures of days, then counters
-- ARGV: field, field of the rest, field of how many, days, account, line

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
local begun_at = redis.call('HGET', KEYS[1], 'begun_at')
if begun_at then
  redis.call('ZREMRANGEBYSCORE', list_of_contact(ARGV[5], ARGV[6]), '-inf', '(' .. begun_at)
end
