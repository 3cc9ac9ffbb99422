-- A probe has ended without a word about its key (gates.lua).
--
-- ARGV: gate, turn id, now

probe_is_over(ARGV[1], ARGV[2], tonumber(ARGV[3]))
