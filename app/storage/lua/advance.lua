-- Change a turn, if the caller still owns it and it stands where the caller believes: the compare-and-set behind every
-- change of state, of the charge and of what is needed to resume.
--
-- A client of Redis that lost our answer sends the same change again; it is known by its id and answered as before.
--
-- KEYS: turn, line, conversation   ARGV: 1 parameters (JSON)  2... fields to set, name and value in turn
-- p.expect: allowed present states. p.status: the new one, nil to stay. p.charge: 'settle', 'release' or nil.
-- p.steps: list of {step, details}. p.close_ttl: milliseconds to keep a turn that this closes, nil while it is open.
-- p.note: a note on the lead becomes due with the closing. p.marks: the marks, in per cent, that a settlement may cross;
-- each puts a note in the outbox, `<turn>:<mark>:<used>:<limit>`, and is answered.
-- p.usage: what this adds to the account's figures (usage.lua). p.attempt: the number of the attempt that begins.
-- p.conversation: what is known of the client's conversation from now on; of the same one, what is not named stays.

local turn_key, line_key, conversation_key = KEYS[1], KEYS[2], KEYS[3]
local p = cjson.decode(ARGV[1])
local found = redis.call('HMGET', turn_key, 'status', 'owner', 'charge', 'weight', 'contact_keys', 'attempts')
local status, owner, charge, weight = found[1], found[2], found[3], tonumber(found[4] or 0)
local contact_keys = found[5] and cjson.decode(found[5]) or {}

local expected = false
for _, allowed in ipairs(p.expect) do
  expected = expected or allowed == status
end
if owner == p.token and redis.call('HGET', turn_key, 'change') == p.change then
  return {1, remaining(p.account, p.period), {}}
end
if owner ~= p.token or not expected then
  return {0, 0, {}}
end

redis.call('HSET', turn_key, 'change', p.change)
if #ARGV > 1 then
  redis.call('HSET', turn_key, unpack(ARGV, 2))
end
if p.status then
  redis.call('HSET', turn_key, 'status', p.status)
end

if p.conversation then
  if redis.call('HGET', conversation_key, 'conversation_id') ~= p.conversation.conversation_id then
    redis.call('DEL', conversation_key)
  end
  for name, value in pairs(p.conversation) do
    redis.call('HSET', conversation_key, name, value)
  end
end

local crossed = {}
if p.charge and charge == 'reserved' then
  if p.charge == 'settle' then
    settle(p.account, p.period, p.now, p.turn_id, weight, p.reason)
    redis.call('HSET', turn_key, 'charge', 'settled')
    crossed = crossed_marks(p.account, p.period, p.marks)
    for _, mark in ipairs(crossed) do
      redis.call('ZADD', NOTES_KEY, p.now, table.concat({p.turn_id, mark[1], mark[2], mark[3]}, ':'))
      add_step(p.turn_id, p.now, 'alert', {mark = mark[1], used = mark[2], limit = mark[3]})
    end
  else
    release(p.account, p.period, p.now, p.turn_id, weight, p.reason)
    redis.call('HSET', turn_key, 'charge', 'released')
    for _, key in ipairs(contact_keys) do
      if redis.call('EXISTS', key) == 1 then
        redis.call('DECRBY', key, weight)
      end
    end
  end
end

-- A charge that was moved before has been counted before. So has an attempt whose command is sent again by the client,
-- because its answer was lost.
local counted = (p.charge and charge ~= 'reserved') or (p.attempt and p.attempt <= tonumber(found[6] or 0))
if p.usage and not counted then
  add_usage(p.usage)
end

local left = remaining(p.account, p.period)
if p.charge then
  redis.call('HSET', turn_key, 'remaining', left)
end

for _, step in ipairs(p.steps) do
  add_step(p.turn_id, p.now, step[1], step[2])
end

if not p.close_ttl then
  redis.call('ZADD', OPEN_KEY, p.lease_until, p.turn_id)
  return {1, left, crossed}
end

redis.call('ZREM', OPEN_KEY, p.turn_id)
redis.call('PEXPIRE', turn_key, p.close_ttl)
redis.call('PEXPIRE', turn_key .. ':steps', p.close_ttl)
if p.note then
  redis.call('ZADD', NOTES_KEY, p.now, p.turn_id)
end
if p.line then
  if redis.call('LINDEX', line_key, 0) == p.turn_id then
    redis.call('LPOP', line_key)
    local following = redis.call('LINDEX', line_key, 0)
    if following then
      add_step(following, p.now, 'woken')
      enqueue(following, p.now_iso, p.lease_until)
    end
  else
    redis.call('LREM', line_key, 0, p.turn_id)
  end
end
return {1, left, crossed}
