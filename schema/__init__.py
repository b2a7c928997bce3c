"""What clients see. Declares; decides nothing."""
