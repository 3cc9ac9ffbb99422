-- The limits of a contact: requests in a day, a week, a month (contract 6). spans: list of {key, limit, ttl}.

local function over_contact_limit(spans, weight)
  for _, span in ipairs(spans) do
    if tonumber(redis.call('GET', span.key) or 0) + weight > span.limit then
      return true
    end
  end
  return false
end

-- The turn remembers where it counts, so that a release takes it away there.
local function count_for_contact(turn_key, spans, weight)
  if #spans == 0 then
    return
  end
  local counted = {}
  for i, span in ipairs(spans) do
    redis.call('INCRBY', span.key, weight)
    redis.call('PEXPIRE', span.key, span.ttl)
    counted[i] = span.key
  end
  redis.call('HSET', turn_key, 'contact_keys', cjson.encode(counted))
end
