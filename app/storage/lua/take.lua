-- Take turns from the queue for free threads of one worker: in rounds between accounts, in order within one (fair.lua).
-- With each comes everything that its worker needs, and RQ's book-keeping of the job's start is done.
--
-- An account that already holds much of the worker may take no more of it, so that a flood leaves threads free for
-- others (app/domain/shares.py).
--
-- ARGV: 1 parameters (JSON)
-- p.tokens: an owner's token for each free thread. p.crowded: how many more turns an account may take, where that is few.
-- Returns the turns, each as holding.lua tells it; the id of a job in RQ's queue that is none of ours, '' for none:
-- somebody has put it there by other means, such as RQ's dashboard; and whether turns are left in the queue.

local p = cjson.decode(ARGV[1])

local function may_take(account)
  return (p.crowded[account] or 1) > 0
end

local turns = {}
for _, token in ipairs(p.tokens) do
  local account = first_account(QUEUED, may_take)
  if not account then
    break
  end
  local turn_id = first_turn(QUEUED, account)
  local id = dequeue(turn_id, account, true)
  if p.crowded[account] then
    p.crowded[account] = p.crowded[account] - 1
  end
  if may_be_held(turn_id, p.now) then
    local claims = hold(turn_id, token, p.worker, id, p.now, p.lease_until)
    add_step(turn_id, p.now, claims > 1 and 'taken_over' or 'taken')
    start_job(id, token, p.worker, p.now, p.now_iso)
    turns[#turns + 1] = taken(turn_id, token)
  else
    redis.call('DEL', JOB_PREFIX .. id)
  end
end

local stray, more = '', redis.call('EXISTS', QUEUED)
if more == 1 then
  ring()
elseif #turns == 0 then
  stray = redis.call('LPOP', QUEUE_KEY) or ''
end
return {turns, stray, more}
