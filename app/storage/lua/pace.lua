-- Reserve the next moment at which a call may leave: for the egress address and for the account, in one step.
--
-- Generic cell rate: each bucket remembers when its next call may leave, so a reservation is one comparison, calls leave
-- in the order in which they asked, and nobody polls. Redis' clock, because all machines share it and only differences
-- count. No burst: a call every 1/rate seconds is what keeps any window of a second under Kommo's seven.
--
-- KEYS: egress bucket, account bucket
-- ARGV: microseconds between calls of the egress, of the account, the longest wait worth a reservation
-- Returns microseconds to wait, or -1 where the wait would be longer; then nothing is reserved.

local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local between = {tonumber(ARGV[1]), tonumber(ARGV[2])}
local moment = now
for i = 1, 2 do
  moment = math.max(moment, tonumber(redis.call('GET', KEYS[i]) or 0))
end
local wait = moment - now
if wait > tonumber(ARGV[3]) then
  return -1
end
for i = 1, 2 do
  redis.call('SET', KEYS[i], string.format('%.0f', moment + between[i]), 'PX', math.ceil((wait + between[i]) / 1000) + 1000)
end
return wait
