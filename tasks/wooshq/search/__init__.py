"""The search language: a query as people write it, the tree that it means, and the tree written as a query again. Pure; nothing here searches."""
