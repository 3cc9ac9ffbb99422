-- Change a turn, if the caller still owns it and it stands where the caller believes: the compare-and-set behind every
-- change of state, of the charge and of what is needed to resume.
--
-- A client of Redis that lost our answer sends the same change again; it is known by its id and answered as before.
--
-- KEYS: turn, line, conversation, past conversations
-- ARGV: 1 parameters (JSON)  2... fields to set, name and value in turn
-- p.expect: allowed present states. p.status: the new one, nil to stay. p.charge: 'settle', 'release' or nil.
-- p.steps: list of {step, details}. p.close_ttl: milliseconds to keep a turn that this closes, nil while it is open.
-- p.note: a note on the lead becomes due with the closing. p.marks: the marks, in per cent, that a settlement may cross;
-- each puts a note in the outbox, `<turn>:<mark>:<used>:<limit>`, and is answered.
-- p.usage: what this adds to the account's figures (usage.lua). p.attempt: the number of the attempt that begins.
-- p.gate: the key's gate that must be passed before anything changes. p.gate_holds: a gate that OpenAI has answered.
-- p.leave: the outcome may be told to Kommo now, with p.pace (pacing.lua); where the call may not leave at once, the turn
-- waits for its moment without its owner. p.park: {until = milliseconds, gate}: so it waits for this moment, or in the
-- line of the gate. p.result: of the RQ job, where the owner lets go.
-- p.conversation: what is known of the client's conversation from now on; of the same one, what is not named stays.

local turn_key, line_key, conversation_key, past_key = unpack(KEYS)
local p = cjson.decode(ARGV[1])
local found = redis.call('HMGET', turn_key, 'status', 'owner', 'charge', 'weight', 'contact_keys', 'attempts', 'change',
  'answered', 'accepted_at', 'replayed_at', 'note_lead_id', 'line')
local begun_at = found[10] or found[9]
local status, owner, charge, weight = found[1], found[2], found[3], tonumber(found[4] or 0)
local contact_keys = found[5] and cjson.decode(found[5]) or {}

local expected = false
for _, allowed in ipairs(p.expect) do
  expected = expected or allowed == status
end
if found[7] == p.change then
  return cjson.decode(found[8])
end
if owner ~= p.token or not expected then
  return {'lost'}
end

local watched = false
if p.gate then
  local passed, wait, reason = pass_gate(p.gate, p.turn_id, p.now)
  if not passed then
    return {'gate', math.ceil(wait), reason}
  end
  watched = wait
end
local fields = {unpack(ARGV, 2)}
if p.status then
  fields[#fields + 1], fields[#fields + 2] = 'status', p.status
end
local moved = p.charge and charge == 'reserved'
if moved then
  fields[#fields + 1], fields[#fields + 2] = 'charge', p.charge == 'settle' and 'settled' or 'released'
end
if #fields > 0 then
  redis.call('HSET', turn_key, unpack(fields))
end
-- What else stands in the record in the end.
local kept = {'change', p.change}
local function keep(name, value)
  kept[#kept + 1], kept[#kept + 2] = name, value
end

if p.conversation then
  local before = redis.call('HMGET', conversation_key, 'conversation_id', 'api')
  if before[1] ~= p.conversation.conversation_id then
    if before[1] then
      -- Whoever forgets this client must find it.
      redis.call('SADD', past_key, before[2] .. ' ' .. before[1])
    end
    redis.call('DEL', conversation_key)
  end
  local told = {}
  for name, value in pairs(p.conversation) do
    told[#told + 1], told[#told + 2] = name, value
  end
  redis.call('HSET', conversation_key, unpack(told))
end

local crossed = {}
if moved then
  if p.charge == 'settle' then
    settle(p.account, p.period, p.now, p.turn_id, weight, p.reason)
    crossed = crossed_marks(p.account, p.period, p.marks)
    for _, mark in ipairs(crossed) do
      redis.call('ZADD', NOTES_KEY, p.now, table.concat({p.turn_id, mark[1], mark[2], mark[3]}, ':'))
      add_step(p.turn_id, p.now, 'alert', {mark = mark[1], used = mark[2], limit = mark[3]})
    end
  else
    release(p.account, p.period, p.now, p.turn_id, weight, p.reason)
    for _, key in ipairs(contact_keys) do
      if redis.call('EXISTS', key) == 1 then
        redis.call('DECRBY', key, weight)
      end
    end
  end
end

-- A charge that was moved before has been counted before. So has an attempt whose command is sent again by the client,
-- because its answer was lost.
local counted = p.charge and not moved
if type(p.attempt) == 'number' then
  counted = p.attempt <= tonumber(found[6] or 0)
end
if p.usage and not counted then
  add_usage(p.usage)
end

local left = 0
if p.charge then
  left = remaining(p.account, p.period)
  keep('remaining', left)
end

for _, step in ipairs(p.steps) do
  add_step(p.turn_id, p.now, step[1], step[2])
end
if p.gate_holds then
  gate_holds(p.gate_holds, p.now)
end

-- What the caller is told, and told again should the answer be lost on its way.
local egress, wait = '', 0
local function done()
  local answer = {'done', left, crossed, watched and 1 or 0, egress, wait}
  keep('answered', cjson.encode(answer))
  redis.call('HSET', turn_key, unpack(kept))
  return answer
end

-- The next of the conversation, unless it was so late that its end came first.
local function wake(following)
  local stands = following and redis.call('HMGET', TURN_PREFIX .. following, 'status', 'owner', 'gate') or {}
  if stands[1] == 'accepted' and not stands[2] and not stands[3] then
    add_step(following, p.now, 'woken')
    enqueue(following, p.now_iso, p.lease_until)
  end
end

if p.park then
  pause(p.turn_id, p.now, p.now_iso, p.result)
  redis.call('ZADD', OPEN_KEY, p.park['until'], p.turn_id)
  if p.park.gate then
    keep('gate', p.park.gate)
    wait_at_gate(p.park.gate, p.turn_id, begun_at, p.now)
  end
  return done()
end

if p.leave then
  local address, moment = leave_soon(p.pace, p.account)
  if address then
    egress, wait = address, moment
    keep('maybe_delivered', 1)
    add_step(p.turn_id, p.now, 'continue_call', {egress = address})
  else
    pause(p.turn_id, p.now, p.now_iso, p.result)
    wait_at(READY, p.account, p.turn_id, begun_at)
    add_step(p.turn_id, p.now, 'waiting_to_leave')
  end
end

if not p.close_ttl then
  redis.call('ZADD', OPEN_KEY, p.lease_until, p.turn_id)
  return done()
end

let_go(p.turn_id, p.now, p.now_iso, p.result)
redis.call('ZREM', OPEN_KEY, p.turn_id)
list_ended(p.account, p.turn_id, found[9], p.status, redis.call('HGET', turn_key, 'error_code'), charge)
local answer = done() -- before its end is set, which may have come already
-- Longer where the account keeps texts for longer: the hourly round (services/retention.py) ends both together.
local ttl = p.close_ttl
local days = tonumber(redis.call('HGET', 'bytegpt:account:' .. p.account, 'retention_days') or 0)
if days > 30 then
  ttl = found[9] + (days + 1) * 86400000 - p.now
end
redis.call('PEXPIRE', turn_key, ttl)
redis.call('PEXPIRE', turn_key .. ':steps', ttl)
keep_lists(p.account, found[11], found[12], p.turn_id, found[9], p.now, days)
if p.note then
  redis.call('ZADD', NOTES_KEY, p.now, p.turn_id)
end
if p.line then
  if redis.call('LINDEX', line_key, 0) == p.turn_id then
    redis.call('LPOP', line_key)
    wake(redis.call('LINDEX', line_key, 0))
  else
    redis.call('LREM', line_key, 0, p.turn_id)
  end
end
return answer
