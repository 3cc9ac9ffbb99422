-- Give an account another plan, now or from its next month on, with the entry in the ledger (contract 7).
--
-- KEYS: account, plans   ARGV: account id, now, this month, the next month, plan, 'now' or 'next-period'
-- Returns 0 where the account or the plan is unknown.

local account_key, plans_key = KEYS[1], KEYS[2]
local account, now, period, next_period, plan, when = unpack(ARGV)
now = tonumber(now)

local allowance = tonumber(redis.call('HGET', plans_key, plan) or -1)
if allowance < 0 or redis.call('EXISTS', account_key) == 0 then
  return 0
end
local had = plan_in(account_key, plans_key, period)
if when == 'now' then
  redis.call('HSET', account_key, 'plan', plan)
  redis.call('HDEL', account_key, 'next_plan', 'next_plan_period')
else
  redis.call('HSET', account_key, 'plan', had, 'next_plan', plan, 'next_plan_period', next_period)
end
prepare_month(account, period, now, plan_in(account_key, plans_key, period))
note_month(account, period)
redis.call('HINCRBY', account_key, 'version', 1)
return 1
