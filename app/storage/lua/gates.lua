-- The gate of an OpenAI key, known by its fingerprint. No entry: it is open, and costs one look.
--
-- It closes for as long as OpenAI asks. Then one turn, the probe, tests the ground while the others wait in the key's
-- line; when OpenAI has begun to answer it, the line passes one by one, ever faster, so that the key is not told to wait
-- again at once by all who waited. A key without credit is closed for no time: its turns pass one after another, each
-- the next one's probe, and a dead key holds no threads.
--
-- `bytegpt:gate:<fingerprint>`: until, reason, account (whose turn was told, for people who look), and then either probe
-- and probe_until or spacing and next (milliseconds).
-- `bytegpt:gate:<fingerprint>:line`: turns by acceptance. `bytegpt:gates`: gates by when to look after them.

local GATE, GATES = 'bytegpt:gate:', 'bytegpt:gates'
local FIRST_SPACING, NARROWING, WIDE_OPEN = 500, 0.8, 20
-- A probe that says nothing for so long is lost; the next in line tests the ground.
local PROBE_MS = 15000
local GATE_KEPT = 180000

local function look_after(gate, at)
  redis.call('ZADD', GATES, at, gate)
end

local function kept(gate, now, at)
  redis.call('PEXPIRE', GATE .. gate, math.ceil(math.max(at - now, 0)) + GATE_KEPT)
end

local function close_gate(gate, now, until_ms, reason, account)
  local key = GATE .. gate
  local before = tonumber(redis.call('HGET', key, 'until') or 0)
  local at = math.max(before, until_ms)
  redis.call('HDEL', key, 'probe', 'probe_until', 'spacing', 'next')
  redis.call('HSET', key, 'until', at, 'reason', at == until_ms and reason or redis.call('HGET', key, 'reason'))
  if account then
    redis.call('HSET', key, 'account', account)
  end
  kept(gate, now, at)
  look_after(gate, at)
end

local function make_probe(gate, turn_id, now)
  redis.call('HSET', GATE .. gate, 'probe', turn_id, 'probe_until', now + PROBE_MS)
  kept(gate, now, now + PROBE_MS)
  look_after(gate, now + PROBE_MS)
end

-- One more passes: the next one sooner. Returns when.
local function narrow(gate, spacing, now)
  local at = now + spacing
  redis.call('HSET', GATE .. gate, 'spacing', math.max(spacing * NARROWING, WIDE_OPEN), 'next', at)
  kept(gate, now, at)
  look_after(gate, at)
  return at
end

-- Whether a turn may send with the key now, and whether the gate watches what comes of it; where it may not: the
-- milliseconds for which it certainly may not, and why the key is closed.
local function pass_gate(gate, turn_id, now)
  local found = redis.call('HMGET', GATE .. gate, 'until', 'reason', 'probe', 'probe_until', 'spacing', 'next')
  if not found[1] then
    return true, false
  end
  if now < tonumber(found[1]) then
    return false, tonumber(found[1]) - now, found[2]
  end
  if found[3] == turn_id then
    return true, true
  end
  if redis.call('HGET', TURN_PREFIX .. turn_id, 'pass') == gate then
    redis.call('HDEL', TURN_PREFIX .. turn_id, 'pass')
    return true, true
  end
  local first = redis.call('ZRANGE', GATE .. gate .. ':line', 0, 0)[1]
  local others = first and first ~= turn_id
  if found[5] then
    if others or now < tonumber(found[6]) then
      return false, 1, found[2]
    end
    narrow(gate, tonumber(found[5]), now)
    return true, true
  end
  if others or (found[3] and now < tonumber(found[4])) then
    return false, 1, found[2]
  end
  make_probe(gate, turn_id, now)
  return true, true
end

local function wait_at_gate(gate, turn_id, accepted_at, now)
  redis.call('ZADD', GATE .. gate .. ':line', accepted_at, turn_id)
  redis.call('PEXPIRE', GATE .. gate .. ':line', GATE_KEPT * 10)
  if not redis.call('ZSCORE', GATES, gate) then
    look_after(gate, now)
  end
end

local function go_from_gate(gate, turn_id)
  redis.call('ZREM', GATE .. gate .. ':line', turn_id)
end

-- OpenAI answers this key again.
local function gate_holds(gate, now)
  local key = GATE .. gate
  local found = redis.call('HMGET', key, 'until', 'spacing')
  if not found[1] or found[2] or now < tonumber(found[1]) then
    return
  end
  if redis.call('EXISTS', key .. ':line') == 0 then
    redis.call('DEL', key)
    redis.call('ZREM', GATES, gate)
    return
  end
  redis.call('HDEL', key, 'probe', 'probe_until')
  narrow(gate, FIRST_SPACING, now)
end

-- The probe told nothing about the key: the next in line is one.
local function probe_is_over(gate, turn_id, now)
  if redis.call('HGET', GATE .. gate, 'probe') == turn_id then
    redis.call('HDEL', GATE .. gate, 'probe', 'probe_until')
    look_after(gate, now)
  end
end
