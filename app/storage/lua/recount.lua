-- Give an account another plan, now or from its next month on, with the entry in the ledger (contract 7).
--
-- KEYS: account, plans, quota of this month, ledger of this month
-- ARGV: now, this month, the next month, plan, 'now' or 'next-period'
-- Returns 0 where the account or the plan is unknown.

local account_key, plans_key, quota_key, ledger_key = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local now, period, next_period, plan, when = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]

local allowance = tonumber(redis.call('HGET', plans_key, plan) or -1)
if allowance < 0 or redis.call('EXISTS', account_key) == 0 then
  return 0
end
local current = redis.call('HMGET', account_key, 'plan', 'next_plan', 'next_plan_period')
-- A change that was waiting for a month that has begun is what the account has by now.
local had = (current[2] and period >= current[3]) and current[2] or current[1]
if when == 'now' then
  redis.call('HSET', account_key, 'plan', plan)
  redis.call('HDEL', account_key, 'next_plan', 'next_plan_period')
  granted(quota_key, ledger_key, now, plan, allowance)
else
  redis.call('HSET', account_key, 'plan', had, 'next_plan', plan, 'next_plan_period', next_period)
  granted(quota_key, ledger_key, now, had, tonumber(redis.call('HGET', plans_key, had) or 0))
end
redis.call('HINCRBY', account_key, 'version', 1)
return 1
