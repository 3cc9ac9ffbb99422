-- Run a closed turn again, in one step: judge whether it still is what the caller judged, charge it, queue it.
--
-- The caller has read the turn and its account and found that it may be run again (app/domain/replays.py). Both are
-- compared here: the turn by its status and by how often it was replayed, so that of two who replay it at once one does;
-- the account by its version. Whoever finds something else reads and judges again. That an answered turn is never asked
-- again follows: it is answered only under another status, and its replay is another number.
--
-- `answer`: a turn that failed is charged anew, as by an acceptance (accept.lua): in the month of now, within the plan and
-- the contact's limits, at the weight of its acceptance; where nothing is left nothing is changed. What its first run was
-- released of stays released: the ledger shows both. Its state is that of a turn just accepted, and it joins the line of
-- its conversation behind whoever stands there.
-- What the failed run left at OpenAI is looked for first (`asked` stays) as long as the client's conversation is still the
-- same; where it is another by now, asking in the old one would put the old one in its place. Then the old one is noted
-- for whoever forgets the contact, because this turn's record knew it.
--
-- `delivery`: an answer that could not be delivered is offered to Kommo again for a new span of patience. Charge and
-- answer stay as they are. It goes to the continue calls and stands in no line: the next one has been woken long ago.
--
-- The record's expiry is taken away while the turn is open; its closing gives it a new one (advance.lua). A client of
-- Redis that lost our answer sends the same replay again; it is known by its id and answered as before.
--
-- KEYS: account, plans, turn, line, conversation, past conversations, forgetting
-- ARGV: 1 parameters (JSON)

local account_key, plans_key, turn_key, line_key, conversation_key, past_key, forgetting_key = unpack(KEYS)
local p = cjson.decode(ARGV[1])
local found = redis.call('HMGET', turn_key, 'status', 'replays', 'replay', 'weight', 'handler', 'api',
  'conversation_id', 'accepted_at')

if found[3] == p.replay then
  return 'replayed'
end
local replays = tonumber(found[2] or 0)
local as_judged = found[1] == p.status and replays == p.replays and not redis.call('ZSCORE', OPEN_KEY, p.turn_id)
if not as_judged or redis.call('HGET', account_key, 'version') ~= p.version then
  return 'stale'
end
-- A contact that is being forgotten: its texts are there until the work comes by.
local forgotten = p.line and tonumber(redis.call('HGET', forgetting_key, 'begun_at') or 0) >= tonumber(found[8])
if forgotten or redis.call('HEXISTS', turn_key, p.again == 'answer' and 'sealed' or 'answer') == 0 then
  return 'texts_gone'
end

local function open_again(status)
  redis.call('PERSIST', turn_key)
  redis.call('PERSIST', turn_key .. ':steps')
  unlist_ended(p.account, p.turn_id)
  redis.call('HDEL', turn_key, 'offers', 'token_renewed', 'last_resort', 'change', 'answered')
  redis.call('HSET', turn_key, 'status', status, 'replayed_at', p.now, 'replays', replays + 1, 'replay', p.replay,
    'deadline_at', p.deadline_at, 'decide_by', p.wake_at, 'claims', 0)
end

if p.again == 'delivery' then
  open_again('answered')
  add_step(p.turn_id, p.now, 'replayed', {again = p.again, by = p.by})
  wait_at(READY, p.account, p.turn_id, p.now)
  redis.call('ZADD', OPEN_KEY, p.lease_until, p.turn_id)
  return 'replayed'
end

local weight = tonumber(found[4])
prepare_month(p.account, p.period, p.now, plan_in(account_key, plans_key, p.period))
if over_contact_limit(p.contact_spans, weight) then
  return 'contact_limit'
end
if remaining(p.account, p.period) < weight then
  return 'plan_quota'
end

open_again('accepted')
redis.call('HDEL', turn_key, 'error_code', 'attempts', 'made_afresh', 'gated', 'gate', 'pass', 'maybe_delivered',
  'contact_keys', 'remaining')
-- The note on its failure, where it has not been written yet, would tell of a failure that may be none any more.
redis.call('ZREM', NOTES_KEY, p.turn_id)
redis.call('HSET', turn_key, 'charge', 'reserved', 'period', p.period, 'day', p.day, 'hour', p.hour)
if p.line and found[7] and redis.call('HGET', conversation_key, 'conversation_id') ~= found[7] then
  redis.call('SADD', past_key, found[6] .. ' ' .. found[7])
  redis.call('HDEL', turn_key, 'asked', 'api', 'conversation_id', 'answer_id')
elseif not p.look_first then
  redis.call('HDEL', turn_key, 'asked', 'answer_id')
end

reserve(p.account, p.period, p.now, p.turn_id, weight, found[5] or '')
count_for_contact(turn_key, p.contact_spans, weight)
add_step(p.turn_id, p.now, 'replayed', {again = p.again, by = p.by, requests = weight})
if p.line and redis.call('RPUSH', line_key, p.turn_id) > 1 then
  redis.call('ZADD', OPEN_KEY, p.wake_at, p.turn_id)
  add_step(p.turn_id, p.now, 'waiting')
else
  enqueue(p.turn_id, p.now_iso, p.lease_until)
end
return 'replayed'
