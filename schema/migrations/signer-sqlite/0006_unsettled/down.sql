DROP TABLE unsettled;
