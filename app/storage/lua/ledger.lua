-- Put in front of every script that moves requests: the ledger entry and the counter change in one step.
-- The counters are a cache of the ledger: minus the sum of reserve, settle and release entries = used + reserved.

local MONTHS_KEPT_MS = 400 * 24 * 3600 * 1000

local function quota_of(account, period)
  return 'bytegpt:quota:' .. account .. ':' .. period
end

local function ledger_of(account, period)
  return 'bytegpt:ledger:' .. account .. ':' .. period
end

local function add_entry(account, period, at, kind, turn_id, requests, reason)
  redis.call('XADD', ledger_of(account, period), '*',
    'at', at, 'kind', kind, 'turn', turn_id, 'requests', requests, 'reason', reason)
end

-- An entry, and the time for which the month is kept after it.
local function write_entry(account, period, ...)
  add_entry(account, period, ...)
  redis.call('PEXPIRE', ledger_of(account, period), MONTHS_KEPT_MS)
end
