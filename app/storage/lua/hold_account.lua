-- Let no call leave for an account for so long: Kommo asked for it.
--
-- ARGV: account, microseconds

local now = microseconds()
local moment = math.max(account_moment(ARGV[1], now), now + ARGV[2])
reserve_until(PACE .. 'account:' .. ARGV[1], moment, now)
