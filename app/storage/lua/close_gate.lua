-- Close the gate of a key until a moment: OpenAI asked for it, or the key has no credit (gates.lua).
--
-- ARGV: gate, now, until (milliseconds), reason, account id where it is known

close_gate(ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4], ARGV[5])
