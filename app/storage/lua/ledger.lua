-- Put in front of every script that moves requests: the ledger entry and the counter change in one step.
-- The counters are a cache of the ledger: minus the sum of reserve, settle and release entries = used + reserved.

local MONTHS_KEPT_MS = 400 * 24 * 3600 * 1000

local function quota_of(account, period)
  return 'bytegpt:quota:' .. account .. ':' .. period
end

local function ledger_of(account, period)
  return 'bytegpt:ledger:' .. account .. ':' .. period
end

local function write_entry(account, period, at, kind, turn_id, requests, reason)
  local key = ledger_of(account, period)
  redis.call('XADD', key, '*', 'at', at, 'kind', kind, 'turn', turn_id, 'requests', requests, 'reason', reason)
  redis.call('PEXPIRE', key, MONTHS_KEPT_MS)
end
