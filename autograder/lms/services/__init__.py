"""What platforms are asked and told: line items, scores, rosters, and the outbox of grades."""
