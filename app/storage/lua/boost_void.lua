-- Take back what is left of a boost; what was used of it stays used.
--
-- KEYS: account, plans   ARGV: account id, now, this month, the boost's member
-- Returns 0 where nothing was left of it.

local account_key, plans_key = KEYS[1], KEYS[2]
local account, now, period, member = unpack(ARGV)
now = tonumber(now)

prepare_month(account, period, now, plan_in(account_key, plans_key, period))
if not redis.call('ZSCORE', boosts_of(account), member) then
  return 0
end
lose(account, period, now, member, 'void')
rebalance(account, period, now)
note_month(account, period)
return 1
