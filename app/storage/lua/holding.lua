-- Who holds a turn. The owner's token fences every change (advance.lua): a worker that was only slow finds that it lost
-- the turn. `claims` counts takings that have not been given back in order: more than one means that a worker was lost.

-- Whether a turn is there to be taken: its record is there, it is open, and nobody who lives holds it.
local function may_be_held(turn_id, now)
  local lease = redis.call('ZSCORE', OPEN_KEY, turn_id)
  local found = redis.call('HMGET', TURN_PREFIX .. turn_id, 'status', 'owner')
  return lease and found[1] and not (found[2] and tonumber(lease) > now)
end

-- job: the RQ job it was taken with, '' for none.
local function hold(turn_id, token, worker, job, now, lease_until)
  local turn_key = TURN_PREFIX .. turn_id
  redis.call('HSET', turn_key, 'owner', token, 'worker', worker, 'job', job, 'taken_at', now)
  redis.call('ZADD', OPEN_KEY, lease_until, turn_id)
  return redis.call('HINCRBY', turn_key, 'claims', 1)
end

-- The owner lets go in order: its job is done, whatever becomes of the turn.
local function let_go(turn_id, now, now_iso, result)
  local turn_key = TURN_PREFIX .. turn_id
  local found = redis.call('HMGET', turn_key, 'owner', 'worker', 'job', 'taken_at')
  if found[3] and found[3] ~= '' then
    finish_job(found[3], found[1], found[2], tonumber(found[4]), now, now_iso, result)
  end
  redis.call('HDEL', turn_key, 'owner', 'worker', 'job', 'taken_at')
end

-- The owner lets go of a turn that goes on without it for a while: this taking is over in order and counts no more.
local function pause(turn_id, now, now_iso, result)
  let_go(turn_id, now, now_iso, result)
  redis.call('HINCRBY', TURN_PREFIX .. turn_id, 'claims', -1)
end

-- The owner is lost: nothing of its job is left, and the taking stays counted.
local function take_away(turn_id)
  local turn_key = TURN_PREFIX .. turn_id
  local found = redis.call('HMGET', turn_key, 'owner', 'worker', 'job')
  if found[3] and found[3] ~= '' then
    drop_job(found[3], found[1], found[2])
  end
  redis.call('HDEL', turn_key, 'owner', 'worker', 'job', 'taken_at')
end

-- What a worker needs of a turn that it has just taken: its record, its account's version, its conversation.
local function taken(turn_id, token, egress)
  local record = redis.call('HGETALL', TURN_PREFIX .. turn_id)
  local account, line
  for i = 1, #record, 2 do
    if record[i] == 'account_id' then
      account = record[i + 1]
    elseif record[i] == 'line' then
      line = record[i + 1]
    end
  end
  return {turn_id, token, egress or '', redis.call('HGET', 'bytegpt:account:' .. account, 'version') or '', record,
    line and redis.call('HGETALL', 'bytegpt:conversation:' .. account .. ':' .. line) or {}}
end
