-- Look after the gates whose moment has come: let the next turn of each one's line pass (gates.lua). A gate of which
-- nothing is known any more is open: its whole line passes.
--
-- ARGV: now, now as ISO 8601, lease_until

local now, now_iso, lease_until = tonumber(ARGV[1]), ARGV[2], ARGV[3]
-- Milliseconds; what was missed for longer is not made up for.
local MOST_BEHIND = 250

-- The next of the line that still waits; nil where nobody does.
local function next_in_line(gate)
  local line = GATE .. gate .. ':line'
  while true do
    local turn_id = redis.call('ZRANGE', line, 0, 0)[1]
    if not turn_id then
      return nil
    end
    redis.call('ZREM', line, turn_id)
    local waits = redis.call('HGET', TURN_PREFIX .. turn_id, 'gate') == gate
    if waits and redis.call('ZSCORE', OPEN_KEY, turn_id) then
      return turn_id
    end
  end
end

local function let_pass(gate, turn_id)
  redis.call('HDEL', TURN_PREFIX .. turn_id, 'gate')
  redis.call('HSET', TURN_PREFIX .. turn_id, 'pass', gate)
  add_step(turn_id, now, 'key_may_be_used')
  enqueue(turn_id, now_iso, lease_until)
end

for _, gate in ipairs(redis.call('ZRANGEBYSCORE', GATES, '-inf', now, 'LIMIT', 0, 100)) do
  local due = tonumber(redis.call('ZSCORE', GATES, gate))
  while due and due <= now do
    local spacing = redis.call('HGET', GATE .. gate, 'spacing')
    local turn_id = next_in_line(gate)
    if not turn_id then
      redis.call('ZREM', GATES, gate)
      if spacing then
        redis.call('DEL', GATE .. gate)
      end
      due = nil
    else
      if spacing then
        -- Several, where turns may pass more often than somebody looks.
        due = narrow(gate, tonumber(spacing), math.max(due, now - MOST_BEHIND))
      elseif redis.call('HEXISTS', GATE .. gate, 'until') == 1 then
        make_probe(gate, turn_id, now)
        due = nil
      end
      let_pass(gate, turn_id)
    end
  end
end
