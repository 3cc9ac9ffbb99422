-- Put in front of every script that moves requests: the ledger entry and the counter change in one step.
-- The counters are a cache of the ledger: minus the sum of reserve, settle and release entries = used + reserved.

local MONTHS_KEPT_MS = 400 * 24 * 3600 * 1000

local function write_entry(ledger_key, at, kind, turn_id, requests, reason)
  redis.call('XADD', ledger_key, '*', 'at', at, 'kind', kind, 'turn', turn_id, 'requests', requests, 'reason', reason)
  redis.call('PEXPIRE', ledger_key, MONTHS_KEPT_MS)
end

-- The month's allowance as the plan gives it now; the first look of a month grants it, a changed plan is recounted.
local function granted(quota_key, ledger_key, at, plan, allowance)
  local known = redis.call('HGET', quota_key, 'allowance')
  if not known then
    write_entry(ledger_key, at, 'grant', '', allowance, plan)
  elseif tonumber(known) ~= allowance then
    write_entry(ledger_key, at, 'plan_change', '', allowance - tonumber(known), plan)
  else
    return
  end
  redis.call('HSET', quota_key, 'allowance', allowance, 'plan', plan)
  redis.call('PEXPIRE', quota_key, MONTHS_KEPT_MS)
end

-- allowance, used, reserved
local function figures(quota_key)
  local found = redis.call('HMGET', quota_key, 'allowance', 'used', 'reserved')
  return tonumber(found[1] or 0), tonumber(found[2] or 0), tonumber(found[3] or 0)
end

local function remaining(quota_key)
  local allowance, used, reserved = figures(quota_key)
  return math.max(0, allowance - used - reserved)
end
