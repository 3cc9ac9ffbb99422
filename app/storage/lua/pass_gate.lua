-- Whether a turn may send with its key now, before anything else of it is (gates.lua).
--
-- ARGV: gate, turn id, now
-- Returns whether it may, whether the gate watches it, and where it may not: milliseconds to wait, and why.

local passed, wait, reason = pass_gate(ARGV[1], ARGV[2], tonumber(ARGV[3]))
if passed then
  -- Its attempt passes the gate once more, and must not wait for another's place in the line then.
  local turn_key = TURN_PREFIX .. ARGV[2]
  if wait and redis.call('HEXISTS', GATE .. ARGV[1], 'spacing') == 1 and redis.call('EXISTS', turn_key) == 1 then
    redis.call('HSET', turn_key, 'pass', ARGV[1])
  end
  return {1, wait and 1 or 0, ''}
end
return {0, math.ceil(wait), reason}
