-- Reserve the next moment at which a call may leave, of an egress address or of an account.
--
-- Generic cell rate: a bucket remembers when its next call may leave, so a reservation is one comparison, calls leave
-- in the order in which they asked, and nobody polls. Redis' clock, because all machines share it and only differences
-- count. No burst: a call every 1/rate seconds is what keeps any window of a second under Kommo's seven.
--
-- The account's own pace comes first: only a call that its account lets leave now asks for a moment of the egress, so
-- that one account's backlog reserves nothing of what all share.
--
-- KEYS: the bucket
-- ARGV: microseconds between calls, the longest wait worth a reservation
-- Returns microseconds to wait, or -1 where the wait would be longer; then nothing is reserved.

local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local between = tonumber(ARGV[1])
local moment = math.max(now, tonumber(redis.call('GET', KEYS[1]) or 0))
local wait = moment - now
if wait > tonumber(ARGV[2]) then
  return -1
end
redis.call('SET', KEYS[1], string.format('%.0f', moment + between), 'PX', math.ceil((wait + between) / 1000) + 1000)
return wait
