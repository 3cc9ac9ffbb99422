-- Put in front of every script that lists turns where they are found (storage/turn_search.py), or takes them out of there.
-- Each list is a sorted set of ids by the time of acceptance.

local ALL_TURNS = 'bytegpt:turns'
-- How a turn may end other than answered and delivered; it may be listed under two of them.
local ENDED = {'failed', 'refused', 'undeliverable', 'not_waiting'}

local function list_of_lead(account, lead)
  return 'bytegpt:lead:' .. account .. ':' .. lead
end

local function list_of_contact(account, line)
  return 'bytegpt:contact:' .. account .. ':' .. line
end

local function ended_of(account, kind)
  return 'bytegpt:ended:' .. account .. ':' .. kind
end

local function all_ended(kind)
  return 'bytegpt:all_ended:' .. kind
end

-- lead, line: empty where the turn has none.
local function list_accepted(account, lead, line, turn_id, now)
  redis.call('ZADD', ALL_TURNS, now, turn_id)
  if lead ~= '' then
    redis.call('ZADD', list_of_lead(account, lead), now, turn_id)
  end
  if line ~= '' then
    redis.call('ZADD', list_of_contact(account, line), now, turn_id)
  end
end

-- The list of a lead or a contact lives as long as the last of its turns is kept at the longest. Said when a turn ends,
-- which each does soon: at the door it would be one command in six. The list may have come to its end since the turn was
-- accepted. lead, line: nil where the turn has none.
local function keep_lists(account, lead, line, turn_id, accepted_at, now, retention_days)
  local kept = math.max(31, retention_days + 1) * 86400000
  for _, list in ipairs({lead and list_of_lead(account, lead) or '', line and list_of_contact(account, line) or ''}) do
    if list ~= '' then
      redis.call('ZADD', list, accepted_at, turn_id)
      redis.call('ZREMRANGEBYSCORE', list, '-inf', now - kept)
      redis.call('PEXPIRE', list, kept)
    end
  end
end

local function list_under(kind, account, turn_id, accepted_at)
  redis.call('ZADD', ended_of(account, kind), accepted_at, turn_id)
  redis.call('ZADD', all_ended(kind), accepted_at, turn_id)
end

-- charge: `none` of a turn that was refused at the door.
local function list_ended(account, turn_id, accepted_at, status, error_code, charge)
  if error_code then
    list_under(charge == 'none' and 'refused' or 'failed', account, turn_id, accepted_at)
  end
  if status ~= 'delivered' then
    list_under(status, account, turn_id, accepted_at)
  end
end

-- It is open again.
local function unlist_ended(account, turn_id)
  for _, kind in ipairs(ENDED) do
    redis.call('ZREM', ended_of(account, kind), turn_id)
    redis.call('ZREM', all_ended(kind), turn_id)
  end
end
