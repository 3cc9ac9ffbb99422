-- Accept one webhook, in one step: duplicate check, charge or refusal, the turn's record, its place in the queue.
--
-- A crash before this script: nothing happened, and Kommo gets no 200. A crash after it: everything happened.
-- The account was read before; its version is compared here, so that a pause, a new limit or a removal that came in
-- between is never overlooked: the caller reads again. The plan is read here, because it decides about money.
-- A refused turn is recorded and queued too: the bot waits for its continue call. It is charged nothing, holds no
-- conversation, and keeps no text.
--
-- KEYS: return_url, account, plans, quota, ledger, turn, line, contact day counter, the account's turns,
--   the account's figures of the day
-- ARGV: 1 parameters (JSON)  2 sealed texts  3... the turn's fields, name and value in turn

local url_key, account_key, plans_key, quota_key, ledger_key = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local turn_key, line_key, contact_key, turns_key, usage_key = KEYS[6], KEYS[7], KEYS[8], KEYS[9], KEYS[10]
local p = cjson.decode(ARGV[1])

-- A Redis that hung may run this long after the door has answered 503: then nothing may happen any more.
local clock = redis.call('TIME')
if clock[1] + clock[2] / 1000000 > p.not_after then
  return {'late'}
end

local first = redis.call('GET', url_key)
if first then
  return {'duplicate', first}
end

local account = redis.call('HMGET', account_key, 'version', 'plan', 'next_plan', 'next_plan_period')
if not account[1] then
  return {'not_installed'}
end
if account[1] ~= p.version then
  return {'stale'}
end

local plan = account[2]
if account[3] and p.period >= account[4] then
  plan = account[3]
end
granted(quota_key, ledger_key, p.now, plan, tonumber(redis.call('HGET', plans_key, plan) or 0))

local refusal = p.refusal
if not refusal and p.contact_limit
    and tonumber(redis.call('GET', contact_key) or 0) + p.weight > p.contact_limit then
  refusal = 'contact_limit'
end
if not refusal then
  local allowance, used, reserved = figures(quota_key)
  if allowance - used - reserved < p.weight then
    refusal = 'plan_quota'
  end
end

redis.call('SET', url_key, p.turn_id, 'PX', p.return_url_ttl)
redis.call('HSET', turn_key, unpack(ARGV, 3))
redis.call('HSET', turn_key, 'accepted_at', p.now, 'deadline_at', p.deadline_at, 'period', p.period, 'claims', 0)
redis.call('ZADD', turns_key, p.now, p.turn_id)
redis.call('ZREMRANGEBYSCORE', turns_key, '-inf', p.now - p.turns_kept)

if refusal then
  redis.call('HSET', turn_key, 'status', 'refused', 'error_code', refusal, 'charge', 'none', 'weight', 0,
    'remaining', remaining(quota_key))
  write_entry(ledger_key, p.now, 'refuse', p.turn_id, 0, refusal)
  count_usage(usage_key, {{'o', refusal, 1}})
  if refusal == 'plan_quota' and redis.call('HSETNX', quota_key, 'plan_quota_noted', p.turn_id) == 1 then
    redis.call('HSET', turn_key, 'first_refusal', 1)
  end
  add_step(p.turn_id, p.now, 'refused', {error_code = refusal})
  enqueue(p.turn_id, p.now_iso, p.lease_until)
  return {'accepted', p.turn_id, refusal}
end

redis.call('HSET', turn_key, 'status', 'accepted', 'charge', 'reserved', 'weight', p.weight, 'sealed', ARGV[2])
redis.call('HINCRBY', quota_key, 'reserved', p.weight)
write_entry(ledger_key, p.now, 'reserve', p.turn_id, -p.weight, p.handler)
if p.contact then
  redis.call('INCRBY', contact_key, p.weight)
  redis.call('PEXPIRE', contact_key, p.contact_ttl)
  redis.call('HSET', turn_key, 'contact_key', contact_key)
end
add_step(p.turn_id, p.now, 'accepted', {requests = p.weight})

if p.line and redis.call('RPUSH', line_key, p.turn_id) > 1 then
  -- Its conversation is busy: it waits in line and holds no worker. The one before it wakes it; if that takes so long
  -- that the turn would miss its deadline, the sweeper does.
  redis.call('ZADD', OPEN_KEY, p.wake_at, p.turn_id)
  add_step(p.turn_id, p.now, 'waiting')
else
  enqueue(p.turn_id, p.now_iso, p.lease_until)
end
return {'accepted', p.turn_id, ''}
